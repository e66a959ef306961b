//! The small runtime beside the data plane: registration, asking clients, and work that waits for the disk.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use eruca_remoting::TaskGroup;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// Threads for work that waits for the disk; each ends when it is idle for some seconds.
const DISK_THREADS_MAX: usize = 4;
/// Work that may wait for such a thread.
const DISK_WORK_MAX: usize = 1024;

/// A Tokio runtime on one thread of its own, for what may wait.
#[derive(Debug)]
pub struct Control {
    handle: Handle,
    tasks: TaskGroup,
    /// Work that waits for the disk or for a thread.
    disk_work: Arc<AtomicUsize>,
    stop: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Control {
    /// Starts the thread.
    pub fn start() -> io::Result<Control> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("eruca-disk")
            .max_blocking_threads(DISK_THREADS_MAX)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("eruca-control".to_owned()).spawn(move || {
            // An error means that the sender is gone: stop, too.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Control {
            handle,
            tasks: TaskGroup::new(),
            disk_work: Arc::default(),
            stop: Mutex::new(Some((stop, thread))),
        })
    }

    /// Runs `future` until it ends or the runtime is stopped.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let _inside = self.handle.enter();
        self.tasks.spawn(name, future);
    }

    /// A place among the work that waits for the disk; `None` where too much of it waits already.
    pub fn disk_turn(&self) -> Option<DiskTurn> {
        let turn = DiskTurn { handle: self.handle.clone(), waiting: Arc::clone(&self.disk_work) };
        (turn.waiting.fetch_add(1, Ordering::Relaxed) < DISK_WORK_MAX).then_some(turn)
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

/// A place among the work that waits for the disk; its drop gives it back.
#[derive(Debug)]
pub struct DiskTurn {
    handle: Handle,
    waiting: Arc<AtomicUsize>,
}

impl DiskTurn {
    /// Runs `work` on a thread where it may wait for the disk. It is dropped where the runtime has ended.
    pub fn run(self, work: impl FnOnce() + Send + 'static) {
        let handle = self.handle.clone();
        // Not joined: whoever asked is answered by the work, or by its drop.
        drop(handle.spawn_blocking(move || {
            work();
            drop(self);
        }));
    }
}

impl Drop for DiskTurn {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let running = self.stop.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Not joined: the last owner may be a task of this very runtime.
        drop(running);
    }
}
