//! mqadmin commands: operations that return data, and their text as the Java tool prints it
