//! Names of keys, and the two scripts that send: what they look at and what they write is one step for everybody else.

/// The names of one exchange's keys.
#[derive(Debug, Clone)]
pub(super) struct Keys(String);

/// The group that all servers of a stream read in.
pub(super) const GROUP: &str = "servers";

impl Keys {
    pub(super) fn new(exchange: &str) -> Self {
        Self(format!("nova-bus:{exchange}:"))
    }

    /// The requests to a topic, or to one server of it.
    pub(super) fn queue(&self, topic: &str, server: Option<&str>) -> String {
        match server {
            None => format!("{}queue:{topic}", self.0),
            Some(server) => format!("{}queue:{topic}.{server}", self.0),
        }
    }

    /// What all streams of a topic's fanouts begin with; an instance follows.
    pub(super) fn fanouts(&self, topic: &str) -> String {
        format!("{}fanout:{topic}:", self.0)
    }

    pub(super) fn servers(&self, topic: &str) -> String {
        format!("{}servers:{topic}", self.0)
    }

    /// The stream that a caller named. Only its last part is the caller's, so that it names a stream of replies.
    pub(super) fn reply(&self, client: &str) -> String {
        format!("{}reply:{client}", self.0)
    }

    pub(super) fn done(&self, unique_id: &str) -> String {
        format!("{}done:{unique_id}", self.0)
    }
}

/// Adds a request to a stream that some server has made. Answers `nobody`, `full` or `sent`.
pub(super) const SEND: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 'nobody' end
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 'full' end
redis.call('XADD', KEYS[1], '*', 'body', ARGV[2], 'ttl', ARGV[3])
return 'sent'";

/// Adds a request to the stream of each server that lives. The oldest of one that does not keep up are lost.
pub(super) const FANOUT: &str = r"
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1])
for _, instance in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  redis.call('XADD', ARGV[1] .. instance, 'MAXLEN', '~', ARGV[2], '*', 'body', ARGV[3], 'ttl', '')
end
return 'sent'";

/// Says for how many seconds more an instance lives.
pub(super) const LIVE: &str = r"
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2] * 2)
redis.call('EXPIRE', KEYS[2], ARGV[2] * 2)
return 'alive'";
