//! The small runtime beside the data plane: registration, and asking clients.

use std::{io, sync::Mutex, sync::PoisonError, thread::JoinHandle};

use eruca_remoting::TaskGroup;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A Tokio runtime on one thread of its own, for what may wait.
#[derive(Debug)]
pub struct Control {
    handle: Handle,
    tasks: TaskGroup,
    stop: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Control {
    /// Starts the thread.
    pub fn start() -> io::Result<Control> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("eruca-control".to_owned()).spawn(move || {
            // An error means that the sender is gone: stop, too.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Control { handle, tasks: TaskGroup::new(), stop: Mutex::new(Some((stop, thread))) })
    }

    /// Runs `future` until it ends or the runtime is stopped.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let _inside = self.handle.enter();
        self.tasks.spawn(name, future);
    }

    /// Runs `start` on this thread, inside the runtime: what it spawns runs there.
    pub fn enter<T>(&self, start: impl FnOnce() -> T) -> T {
        let _inside = self.handle.enter();
        start()
    }

    /// Waits on this thread for a future that runs there. Not to be called on a runtime's thread.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    /// Stops all tasks, then the thread. A second call does nothing.
    pub fn stop(&self) {
        let running = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = running {
            self.handle.block_on(self.tasks.shutdown());
            // Where the thread has ended already, there is nothing to stop.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let running = self.stop.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Not joined: the last owner may be a task of this very runtime.
        drop(running);
    }
}
