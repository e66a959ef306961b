//! The name server from outside: every request, with and without a socket.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod server;
#[cfg(test)]
mod support;
