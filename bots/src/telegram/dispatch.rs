//! Hands updates to the handler: those of one chat one after the other, those of different chats at the same time, within
//! bounds. It must not know where updates come from.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::api::Api;
use super::responder::{Query, Reply};
use crate::model::Update;
use crate::surface::Handler;

/// The most chats whose updates are handled at once.
const AT_ONCE: usize = 64;
/// The most updates that wait or are handled; beyond it none are taken from Telegram, which keeps them for a day.
const OPEN: usize = 1000;
/// How long handlers may still work after the end was asked for.
const GRACE: Duration = Duration::from_secs(5);

struct Job {
    update: Update,
    query: Option<Arc<Query>>,
    done: oneshot::Sender<()>,
}

#[derive(Default)]
struct Lanes {
    /// A chat has an entry exactly while a task works on it.
    waiting: HashMap<String, VecDeque<Job>>,
    open: usize,
}

/// The queue between updates and handler.
pub(super) struct Dispatcher {
    api: Api,
    handler: Arc<dyn Handler>,
    lanes: Mutex<Lanes>,
    at_once: Semaphore,
    tasks: TaskTracker,
    /// No new work is begun.
    closing: CancellationToken,
    /// What still runs is dropped.
    abort: CancellationToken,
    /// Rings whenever an update is done.
    pub finished: Notify,
}

impl Dispatcher {
    pub(super) fn new(api: Api, handler: Arc<dyn Handler>) -> Arc<Self> {
        Arc::new(Self {
            api,
            handler,
            lanes: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            abort: CancellationToken::new(),
            finished: Notify::new(),
        })
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether as much is open as is allowed.
    pub(super) fn is_full(&self) -> bool {
        self.lanes().open >= OPEN
    }

    /// Queues an update. The receiver is told when the handler took it; it is closed without a word if it never did.
    pub(super) fn submit(self: &Arc<Self>, update: Update, query: Option<String>) -> oneshot::Receiver<()> {
        let (done, taken) = oneshot::channel();
        let query = query.map(|id| self.watch(id));
        let key = update.chat.id.clone();
        let job = Job { update, query, done };
        let mut lanes = self.lanes();
        lanes.open += 1;
        if let Some(lane) = lanes.waiting.get_mut(&key) {
            lane.push_back(job);
        } else {
            lanes.waiting.insert(key.clone(), VecDeque::from([job]));
            self.tasks.spawn(Arc::clone(self).work(key));
        }
        taken
    }

    /// Acknowledges a press that means nothing to us.
    pub(super) fn acknowledge(self: &Arc<Self>, query: String) {
        let query = Query::new(self.api.clone(), query);
        self.tasks.spawn(async move { query.acknowledge().await });
    }

    /// Sees to it that a press is acknowledged in time, also while its chat's queue is long.
    fn watch(self: &Arc<Self>, id: String) -> Arc<Query> {
        let query = Arc::new(Query::new(self.api.clone(), id));
        let (watched, abort) = (Arc::clone(&query), self.abort.clone());
        self.tasks.spawn(async move { abort.run_until_cancelled(watched.acknowledge_in_time()).await });
        query
    }

    async fn work(self: Arc<Self>, key: String) {
        loop {
            let job = {
                let mut lanes = self.lanes();
                match lanes.waiting.get_mut(&key).and_then(VecDeque::pop_front) {
                    Some(job) => job,
                    None => {
                        lanes.waiting.remove(&key);
                        return;
                    }
                }
            };
            let query = job.query.clone();
            if let Ok(_permit) = self.at_once.acquire().await
                && !self.closing.is_cancelled()
            {
                self.abort.run_until_cancelled(self.handle(job)).await;
            }
            // Done or dropped: the button stops spinning either way.
            if let Some(query) = query {
                query.finish();
            }
            self.lanes().open -= 1;
            self.finished.notify_one();
        }
    }

    async fn handle(&self, job: Job) {
        let reply = Reply::new(self.api.clone(), &job.update, job.query.clone());
        let (chat, update) = (job.update.chat.id.clone(), job.update.id.clone());
        // A panic in one chat must not silence it for good.
        if AssertUnwindSafe(self.handler.handle(job.update, &reply)).catch_unwind().await.is_err() {
            tracing::error!(surface = "telegram", chat, update, "the handler panicked");
        }
        // Nobody may be listening any more, which is fine.
        let _ = job.done.send(());
    }

    /// Begins nothing new, gives running handlers a moment, and drops what still runs then: it was not confirmed, so it
    /// comes again after a restart.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait()).await.is_err() {
            self.abort.cancel();
            self.tasks.wait().await;
        }
    }
}
