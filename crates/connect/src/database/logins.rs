//! Logging in: a bad new password is not tried again and again, and does not cost a cell that an older one still opens.
//!
//! When a mapping's login is refused and the cell's last one, at the very same place, still works, that one is used: the
//! mistake is reported, and the mapping's own login is tried again after a while and used from then on. A place that
//! changed is never gone back to: the old host may hold old data.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cells::{CellId, DatabaseServer, ErrorClass};

use super::classify::class_of_driver;
use super::failure::Failure;

/// The wait after the first refusal of a login; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait between two tries of a refused login.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a login that worked is remembered after it last did.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// The last login of each cell that worked.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<CellId, (Arc<DatabaseServer>, Instant)>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<CellId, (Arc<DatabaseServer>, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, cell: CellId, login: &Arc<DatabaseServer>) {
        let now = Instant::now();
        let mut logins = self.lock();
        logins.insert(cell, (Arc::clone(login), now));
        logins.retain(|_, (_, at)| now.saturating_duration_since(*at) < REMEMBERED);
    }

    /// The login that last worked at the same place, if it is another one.
    fn former(&self, cell: CellId, current: &DatabaseServer) -> Option<Arc<DatabaseServer>> {
        let (login, _) = self.lock().get(&cell)?.clone();
        (same_place(&login, current) && !same_login(&login, current)).then_some(login)
    }
}

fn same_place(a: &DatabaseServer, b: &DatabaseServer) -> bool {
    let place = |s: &DatabaseServer| {
        (
            s.engine,
            s.host.to_string(),
            s.port,
            s.database.clone(),
            s.tls.required,
            s.tls.ca.clone(),
        )
    };
    place(a) == place(b)
}

fn same_login(a: &DatabaseServer, b: &DatabaseServer) -> bool {
    let password = |s: &DatabaseServer| s.password.as_ref().map(|p| p.expose().to_owned());
    a.user == b.user
        && password(a) == password(b)
        && a.tls.certificate == b.tls.certificate
        && a.tls.key == b.tls.key
}

/// Which cell's logins are remembered, and where.
pub(super) type OfCell = Option<(Arc<super::shared::Shared>, CellId)>;

/// How one handle on a cell's database logs in.
pub(super) struct Logins {
    current: Arc<DatabaseServer>,
    of_cell: OfCell,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    refusals: u32,
    again_at: Option<Instant>,
    former: Option<Arc<DatabaseServer>>,
}

impl Logins {
    pub(super) fn new(server: &DatabaseServer, of_cell: OfCell) -> Self {
        let former = of_cell
            .as_ref()
            .and_then(|(shared, cell)| shared.memory.former(*cell, server));
        Self {
            current: Arc::new(server.clone()),
            of_cell,
            state: Mutex::new(State {
                former,
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the mapping's own login is refused and the former one is in use.
    pub(super) fn rolled_back(&self) -> bool {
        let state = self.state();
        state.refusals > 0 && state.former.is_some()
    }

    /// Logs in by what `open` does with a login, and says which one it was.
    pub(super) async fn connect<T, F>(
        &self,
        open: impl Fn(Arc<DatabaseServer>) -> F,
    ) -> Result<(T, Arc<DatabaseServer>), sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let waits = self.state().again_at.is_some_and(|at| Instant::now() < at);
        if !waits {
            match open(Arc::clone(&self.current)).await {
                Ok(opened) => {
                    self.worked();
                    return Ok((opened, Arc::clone(&self.current)));
                }
                Err(error) if class_of_driver(&error) == ErrorClass::Authentication => {
                    self.refused();
                    if self.state().former.is_none() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let Some(former) = self.state().former.clone() else {
            return Err(Failure::LoginRefused.into());
        };
        match open(Arc::clone(&former)).await {
            Ok(opened) => Ok((opened, former)),
            Err(error) if class_of_driver(&error) == ErrorClass::Authentication => {
                tracing::warn!(
                    cell = self.cell(),
                    "the cell's former login is refused, too"
                );
                self.state().former = None;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn worked(&self) {
        let mut state = self.state();
        let rolled_back = state.refusals > 0 && state.former.is_some();
        // From here on the former login is history: whoever changed it meant it.
        *state = State::default();
        drop(state);
        if let Some((shared, cell)) = &self.of_cell {
            shared.memory.remember(*cell, &self.current);
        }
        if rolled_back {
            tracing::info!(cell = self.cell(), "the cell's own login works now");
        }
    }

    fn refused(&self) {
        let mut state = self.state();
        let wait = FIRST_WAIT.saturating_mul(1 << state.refusals.min(10));
        state.refusals = state.refusals.saturating_add(1);
        state.again_at = Some(Instant::now() + wait.min(LONGEST_WAIT));
        let first = state.refusals == 1;
        let rolled_back = state.former.is_some();
        drop(state);
        if first && rolled_back {
            tracing::warn!(
                cell = self.cell(),
                "the cell's database refuses the mapping's login; the former one is used while it works"
            );
        } else if first {
            tracing::warn!(
                cell = self.cell(),
                "the cell's database refuses the mapping's login"
            );
        }
    }

    fn cell(&self) -> Option<String> {
        self.of_cell.as_ref().map(|(_, cell)| cell.to_string())
    }

    /// The logins by which a connection that was made by `login` can be ended, the likelier first: a password may have
    /// changed since.
    pub(super) fn for_ending(&self, login: &Arc<DatabaseServer>) -> Vec<Arc<DatabaseServer>> {
        let mut logins = vec![Arc::clone(login)];
        if !Arc::ptr_eq(login, &self.current) && login.user == self.current.user {
            logins.push(Arc::clone(&self.current));
        }
        logins
    }
}

#[cfg(test)]
mod tests {
    use cells::{DatabaseLocation, SecretText};
    use sqlx::Error;

    use super::*;
    use crate::database::shared::Shared;
    use crate::options::ConnectorOptions;

    fn server(url: &str) -> DatabaseServer {
        match DatabaseLocation::from_url(&SecretText::from(url)).unwrap() {
            DatabaseLocation::Server(server) => *server,
            DatabaseLocation::Sqlite(_) => unreachable!("a server's URL"),
        }
    }

    fn cell() -> CellId {
        "6d5bd30e-147b-44db-9ceb-1a392e756c36".parse().unwrap()
    }

    fn logins(shared: &Arc<Shared>, url: &str) -> Logins {
        Logins::new(&server(url), Some((Arc::clone(shared), cell())))
    }

    /// A server that knows one password.
    async fn ask(logins: &Logins, right: &str) -> Result<String, ErrorClass> {
        let open = |login: Arc<DatabaseServer>| {
            let password = login
                .password
                .as_ref()
                .map_or("", |p| p.expose())
                .to_owned();
            let right = password == right;
            async move {
                match right {
                    true => Ok(password),
                    false => Err(Error::from(Failure::LoginRefused)),
                }
            }
        };
        let connected = logins.connect(open).await;
        connected
            .map(|(password, _)| password)
            .map_err(|error| class_of_driver(&error))
    }

    #[tokio::test]
    async fn a_refused_login_falls_back_to_the_one_that_worked_at_the_same_place() {
        let shared = Arc::new(Shared::new(&ConnectorOptions::default()));
        let old = logins(&shared, "mysql://nova:old@db1/nova");
        assert_eq!(ask(&old, "old").await, Ok("old".into()));
        let new = logins(&shared, "mysql://nova:new@db1/nova");
        assert_eq!(ask(&new, "old").await, Ok("old".into()));
        assert!(new.rolled_back());
        // Its own login is not tried again at once; what still works is used meanwhile.
        assert_eq!(ask(&new, "new").await, Err(ErrorClass::Authentication));
        assert!(!new.rolled_back());
    }

    #[tokio::test]
    async fn a_login_that_works_ends_the_former_one() {
        let shared = Arc::new(Shared::new(&ConnectorOptions::default()));
        assert!(
            ask(&logins(&shared, "mysql://nova:old@db1/nova"), "old")
                .await
                .is_ok()
        );
        let new = logins(&shared, "mysql://nova:new@db1/nova");
        assert_eq!(ask(&new, "new").await, Ok("new".into()));
        assert_eq!(ask(&new, "old").await, Err(ErrorClass::Authentication));
    }

    #[tokio::test]
    async fn another_place_is_never_gone_back_to() {
        let shared = Arc::new(Shared::new(&ConnectorOptions::default()));
        assert!(
            ask(&logins(&shared, "mysql://nova:old@db1/nova"), "old")
                .await
                .is_ok()
        );
        for elsewhere in [
            "mysql://nova:new@db2/nova",
            "mysql://nova:new@db1:3307/nova",
            "mysql://nova:new@db1/nova2",
        ] {
            let new = logins(&shared, elsewhere);
            assert_eq!(
                ask(&new, "old").await,
                Err(ErrorClass::Authentication),
                "{elsewhere}"
            );
        }
    }

    #[tokio::test]
    async fn a_refused_login_is_not_tried_again_at_once() {
        let shared = Arc::new(Shared::new(&ConnectorOptions::default()));
        let logins = logins(&shared, "mysql://nova:wrong@db1/nova");
        let tries = std::sync::atomic::AtomicU32::new(0);
        for _ in 0..5 {
            let open = |_login| {
                tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                async { Err::<(), _>(Error::from(Failure::LoginRefused)) }
            };
            let error = logins.connect(open).await.unwrap_err();
            assert_eq!(class_of_driver(&error), ErrorClass::Authentication);
        }
        assert_eq!(tries.into_inner(), 1);
    }
}
