//! Calls that wait for their answers, by their ids. They outlive a connection: an answer that comes over the next one is
//! as good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cells::{CellError, ErrorClass};
use context::Deadline;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::failure::out_of_time;
use crate::bus::message::CallError;
use crate::bus::oslo::{Answer, Reply};

/// The calls of one bus.
#[derive(Debug, Default)]
pub(in crate::bus) struct Waiting {
    calls: Mutex<HashMap<String, watch::Sender<Progress>>>,
}

/// What has come for a call.
#[derive(Debug, Default)]
struct Progress {
    /// A result before the last reply: servers of old send the two apart.
    result: Option<Value>,
    last: Option<Answer>,
}

/// One call's place. Given up when dropped.
#[derive(Debug)]
pub(in crate::bus) struct Ticket {
    waiting: Arc<Waiting>,
    call: String,
    progress: watch::Receiver<Progress>,
}

impl Waiting {
    fn calls(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Progress>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a call.
    pub(in crate::bus) fn enter(self: &Arc<Self>, call: &str) -> Ticket {
        let (sender, progress) = watch::channel(Progress::default());
        self.calls().insert(call.to_owned(), sender);
        Ticket {
            waiting: Arc::clone(self),
            call: call.to_owned(),
            progress,
        }
    }

    pub(in crate::bus) fn is_empty(&self) -> bool {
        self.calls().is_empty()
    }

    /// Gives a reply to its call. One that nobody waits for is dropped: it came too late, or twice.
    pub(in crate::bus) fn take(&self, reply: Reply) {
        let calls = self.calls();
        let Some(call) = calls.get(&reply.call) else {
            tracing::debug!("a reply came that no call waits for");
            return;
        };
        call.send_modify(|progress| match reply.answer {
            _ if progress.last.is_some() => {}
            Answer::Result(result) => {
                if !result.is_null() {
                    progress.result = Some(result);
                }
                if reply.ending {
                    let result = progress.result.take().unwrap_or(Value::Null);
                    progress.last = Some(Answer::Result(result));
                }
            }
            failed => progress.last = Some(failed),
        });
    }
}

impl Ticket {
    /// Waits for the last reply. Each reply that is not the last one shows that the server lives; with a monitor it has to
    /// show that this often.
    pub(in crate::bus) async fn answer(
        mut self,
        deadline: Deadline,
        monitor: Option<Duration>,
    ) -> Result<Value, CallError> {
        let end: Instant = deadline.instant().into();
        loop {
            let last = self.progress.borrow_and_update().last.clone();
            if let Some(last) = last {
                return match last {
                    Answer::Result(result) => Ok(result),
                    Answer::Failed(error) => Err(CallError::Remote(error)),
                    Answer::Garbled => {
                        let detail = "the other side failed, and how cannot be read";
                        Err(CallError::Bus(CellError::new(ErrorClass::Decode, detail)))
                    }
                };
            }
            let silent = monitor.map(|interval| Instant::now() + interval);
            let until = silent.map_or(end, |silent| silent.min(end));
            if timeout_at(until, self.progress.changed()).await.is_err() {
                let why = match until < end {
                    true => "the server gives no sign of life",
                    false => "no answer within the budget",
                };
                return Err(CallError::Bus(out_of_time(why)));
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.calls().remove(&self.call);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bus::message::RemoteError;

    fn reply(result: Value, ending: bool) -> Reply {
        let message = json!({"_msg_id": "c", "result": result, "failure": null, "ending": ending});
        crate::bus::oslo::read_reply(Some("application/json"), message.to_string().as_bytes())
            .unwrap()
    }

    fn soon() -> Deadline {
        Deadline::at(Instant::now().into_std() + Duration::from_secs(10))
    }

    #[tokio::test]
    async fn the_last_result_that_is_one_is_the_answer() {
        let waiting = Arc::new(Waiting::default());
        let ticket = waiting.enter("c");
        for (result, ending) in [
            (json!(null), false),
            (json!(7), false),
            (json!(null), true),
            (json!(8), true),
        ] {
            waiting.take(reply(result, ending));
        }
        assert_eq!(ticket.answer(soon(), None).await.unwrap(), json!(7));
        assert!(waiting.is_empty());
        waiting.take(reply(json!(1), true));
    }

    #[tokio::test]
    async fn a_failure_ends_a_call() {
        let waiting = Arc::new(Waiting::default());
        let ticket = waiting.enter("c");
        let body = crate::bus::oslo::write_reply("c", Err(RemoteError::new("NoValidHost", "")));
        waiting.take(crate::bus::oslo::read_reply(Some("application/json"), &body).unwrap());
        match ticket.answer(soon(), None).await {
            Err(CallError::Remote(error)) => assert_eq!(error.class, "NoValidHost"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_ends_a_monitored_call_and_a_living_one_does_not() {
        let waiting = Arc::new(Waiting::default());
        let beat = Some(Duration::from_secs(2));
        let begun = Instant::now();
        let end = Deadline::at(begun.into_std() + Duration::from_secs(60));
        assert!(waiting.enter("c").answer(end, beat).await.is_err());
        assert_eq!(begun.elapsed().as_secs(), 2);

        let ticket = waiting.enter("c");
        let beats = async {
            for _ in 0..5 {
                tokio::time::advance(Duration::from_secs(1)).await;
                waiting.take(reply(json!(null), false));
            }
            waiting.take(reply(json!(1), true));
        };
        let (answer, ()) = tokio::join!(ticket.answer(end, beat), beats);
        assert_eq!(answer.unwrap(), json!(1));
    }
}
