//! The private Redis itself: who comes in, and what is left after it was killed.

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult, cmd};
use nova_conformance::{PASSWORD, Redis, USER};

async fn connection(server: &Redis, password: &str) -> RedisResult<MultiplexedConnection> {
    let login = RedisConnectionInfo::default()
        .set_username(USER)
        .set_password(password);
    let address = ConnectionAddr::Tcp("127.0.0.1".into(), server.port());
    let info = address.into_connection_info()?.set_redis_settings(login);
    Client::open(info)?.get_multiplexed_async_connection().await
}

#[tokio::test]
async fn what_redis_acknowledged_is_there_after_it_was_killed() {
    let mut server = Redis::start().await.unwrap();
    let mut first = connection(&server, PASSWORD).await.unwrap();
    let set = cmd("SET").arg("k").arg(7).exec_async(&mut first).await;
    set.unwrap();
    server.signal("KILL").unwrap();
    server.restart().unwrap();
    let mut second = connection(&server, PASSWORD).await.unwrap();
    let kept: u8 = cmd("GET").arg("k").query_async(&mut second).await.unwrap();
    assert_eq!(kept, 7);
}

#[tokio::test]
async fn nobody_uses_redis_without_its_password() {
    let server = Redis::start().await.unwrap();
    let refused = connection(&server, "guess").await.unwrap_err();
    assert!(!refused.to_string().contains("guess"), "{refused}");
    assert!(refused.is_unrecoverable_error() || refused.code() == Some("WRONGPASS"));
}
