//! Putting a cloud together: which cells, which servers in each, one folder of files.

use std::path::{Path, PathBuf};

use cells::{CellId, SecretText};

use super::population::Population;
use super::rng::Rng;
use super::server::ServerSeed;
use super::sql::Dialect;
use super::store::{CloudError, MappedCell, Store, write_cell};

/// One in so many servers failed to build and is in cell0.
const FAILED_BUILDS: u64 = 50;

/// Makes a cloud in a folder. Without further words: 3 cells and cell0, 3,000 servers of 4 projects, seed 1.
#[derive(Debug, Clone)]
pub struct CloudBuilder {
    seed: u64,
    cells: usize,
    servers: u64,
    projects: u64,
    placed: Option<Vec<Vec<ServerSeed>>>,
}

impl Default for CloudBuilder {
    fn default() -> Self {
        Self {
            seed: 1,
            cells: 3,
            servers: 3_000,
            projects: 4,
            placed: None,
        }
    }
}

impl CloudBuilder {
    /// The usual cloud.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The seed that every id, name and time follows from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many cells, cell0 not counted.
    #[must_use]
    pub fn cells(mut self, count: usize) -> Self {
        self.cells = count;
        self
    }

    /// How many servers in all. One in 50 is in cell0, the others are spread over the cells at random, so that a
    /// sorted list meets all cells in turn. About a tenth are deleted.
    #[must_use]
    pub fn servers(mut self, count: u64) -> Self {
        self.servers = count;
        self
    }

    /// How many projects own them; their ids are [`Population::project`]'s.
    #[must_use]
    pub fn projects(mut self, count: u64) -> Self {
        self.projects = count;
        self
    }

    /// These servers and no others: the first list is cell0's, each further one makes a cell.
    #[must_use]
    pub fn place(mut self, servers: Vec<Vec<ServerSeed>>) -> Self {
        self.cells = servers.len().saturating_sub(1);
        self.placed = Some(servers);
        self
    }

    /// Writes the files into `folder`, which must exist: `nova_api.sqlite`, `nova_cell0.sqlite`, `nova_cell1.sqlite`, …
    /// Mappings hold absolute paths, and buses inside the process (`fake:///cell1`); cell0 has none.
    ///
    /// # Errors
    /// [`CloudError`] where the folder's path does not fit in a URL or a file cannot be written.
    ///
    /// # Cancel safety
    /// A dropped future leaves some of the files.
    pub async fn build(self, folder: &Path) -> Result<Cloud, CloudError> {
        let folder = folder.canonicalize().map_err(|_| CloudError::Path)?;
        let text = folder.to_str().ok_or(CloudError::Path)?;
        if text.contains(['?', '#', '%']) {
            return Err(CloudError::Path);
        }
        let mut ids = Rng::new(self.seed ^ 0x00c0_ffee);
        let servers = self.placed.clone().unwrap_or_else(|| self.populate());
        let count = servers.len().max(1);
        let cells: Vec<CloudCell> = (0..count)
            .map(|number| {
                let name = format!("cell{number}");
                CloudCell {
                    id: if number == 0 {
                        CellId::CELL0
                    } else {
                        CellId::new(ids.uuid())
                    },
                    path: folder.join(format!("nova_{name}.sqlite")),
                    database_url: format!("sqlite:///{text}/nova_{name}.sqlite"),
                    transport_url: if number == 0 {
                        "none:///".into()
                    } else {
                        format!("fake:///{name}")
                    },
                    servers: servers.get(number).cloned().unwrap_or_default(),
                    name,
                }
            })
            .collect();
        for cell in &cells {
            write_cell(&cell.path, &cell.servers).await?;
        }
        let mapped: Vec<MappedCell<'_>> = cells.iter().map(CloudCell::mapped).collect();
        let api = folder.join("nova_api.sqlite");
        let mut store = Store::open_file(&api).await?;
        store.create_api().await?;
        store.map(&mapped).await?;
        store.close().await?;
        let api_url = format!("sqlite:///{text}/nova_api.sqlite");
        Ok(Cloud {
            api,
            api_url,
            cells,
        })
    }

    /// Writes the cloud into empty databases of servers: `nova_api` first, then cell0's, then one for each further cell.
    /// The number of cells is theirs. Buses are inside the process.
    ///
    /// # Errors
    /// [`CloudError`] where a database cannot be reached or written.
    ///
    /// # Cancel safety
    /// A dropped future leaves some of the rows.
    pub async fn build_on(
        mut self,
        api: &SecretText,
        databases: &[SecretText],
    ) -> Result<PlacedCloud, CloudError> {
        if self.placed.is_none() {
            self.cells = databases.len().saturating_sub(1);
        }
        let servers = self.placed.clone().unwrap_or_else(|| self.populate());
        let mut ids = Rng::new(self.seed ^ 0x00c0_ffee);
        let mut cells = Vec::with_capacity(databases.len());
        for (number, url) in databases.iter().enumerate() {
            let id = match number {
                0 => CellId::CELL0,
                _ => CellId::new(ids.uuid()),
            };
            let mut servers = servers.get(number).cloned().unwrap_or_default();
            let mut store = Store::open(url).await?;
            if store.dialect() == Dialect::MariaDb {
                servers.iter_mut().for_each(ServerSeed::narrow);
            }
            store.create_cell().await?;
            store.refill(&servers).await?;
            store.close().await?;
            cells.push((id, servers));
        }
        let names: Vec<String> = (0..cells.len())
            .map(|number| format!("cell{number}"))
            .collect();
        let bus = |name: &String| match name.as_str() {
            "cell0" => "none:///".to_owned(),
            name => format!("fake:///{name}"),
        };
        let buses: Vec<String> = names.iter().map(bus).collect();
        let mut mapped = Vec::with_capacity(cells.len());
        for (number, (id, servers)) in cells.iter().enumerate() {
            mapped.push(MappedCell {
                id: *id,
                name: &names[number],
                transport_url: &buses[number],
                database_connection: databases[number].expose(),
                servers,
            });
        }
        let mut store = Store::open(api).await?;
        store.create_api().await?;
        store.map(&mapped).await?;
        store.close().await?;
        Ok(PlacedCloud { cells })
    }

    fn populate(&self) -> Vec<Vec<ServerSeed>> {
        let mut population = Population::new(self.seed, self.projects);
        let mut spread = Rng::new(self.seed ^ 0x5eed);
        let mut placed = vec![Vec::new(); self.cells + 1];
        for number in 0..self.servers {
            let chosen = match self.cells {
                0 => 0,
                _ if number % FAILED_BUILDS == FAILED_BUILDS - 1 => 0,
                cells => 1 + usize::try_from(spread.below(cells as u64)).unwrap_or(0),
            };
            if let Some(cell) = placed.get_mut(chosen) {
                let id = i64::try_from(cell.len())
                    .unwrap_or(i64::MAX)
                    .saturating_add(1);
                cell.push(population.server(id, &format!("cell{chosen}")));
            }
        }
        placed
    }
}

/// A cloud that was made in databases of servers.
#[derive(Debug, Clone)]
pub struct PlacedCloud {
    /// Each cell's id and servers, cell0 first, in the order of the databases given.
    pub cells: Vec<(CellId, Vec<ServerSeed>)>,
}

/// A cloud that was made.
#[derive(Debug, Clone)]
pub struct Cloud {
    api: PathBuf,
    api_url: String,
    cells: Vec<CloudCell>,
}

/// One cell of it.
#[derive(Debug, Clone)]
pub struct CloudCell {
    id: CellId,
    name: String,
    path: PathBuf,
    database_url: String,
    transport_url: String,
    servers: Vec<ServerSeed>,
}

impl Cloud {
    /// The file of `nova_api`.
    #[must_use]
    pub fn api_path(&self) -> &Path {
        &self.api
    }

    /// The URL of `nova_api`, in SQLAlchemy's form with an absolute path: `sqlite:////tmp/…/nova_api.sqlite`.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// All cells, cell0 first, in the order of their mappings.
    #[must_use]
    pub fn cells(&self) -> &[CloudCell] {
        &self.cells
    }

    /// Every server that was written, whatever its cell.
    pub fn servers(&self) -> impl Iterator<Item = &ServerSeed> {
        self.cells.iter().flat_map(|cell| &cell.servers)
    }
}

impl CloudCell {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> CellId {
        self.id
    }

    /// Its name: `cell0`, `cell1`, …
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its database's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The servers that were written into it, deleted and hidden ones included.
    #[must_use]
    pub fn servers(&self) -> &[ServerSeed] {
        &self.servers
    }

    fn mapped(&self) -> MappedCell<'_> {
        MappedCell {
            id: self.id,
            name: &self.name,
            transport_url: &self.transport_url,
            database_connection: &self.database_url,
            servers: &self.servers,
        }
    }
}
