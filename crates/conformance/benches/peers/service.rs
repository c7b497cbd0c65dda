//! A service that scatters with everything on. The bench says where the fakes are: two packages name them differently.

use scatter::{Isolation, IsolationPolicy, PermitClass, Scatter, ScatterStats};

use crate::fakes::{FakeCloud, HonestConnector, admin};
use crate::peers::AMPLE;

/// What the calls of one service share.
pub(crate) struct Service {
    pub(crate) cloud: FakeCloud,
    pub(crate) request: context::RequestContext,
    isolation: Isolation,
    stats: ScatterStats,
}

impl Service {
    pub(crate) fn of(cells: usize) -> Self {
        Self {
            cloud: FakeCloud::of(cells),
            request: admin(),
            isolation: Isolation::new(IsolationPolicy::default()),
            stats: ScatterStats::default(),
        }
    }

    /// A scatter with budget, permits, outcomes and histograms.
    pub(crate) fn scatter(&self) -> Scatter<'_, HonestConnector> {
        Scatter::new(&self.request, &self.cloud.cells, self.cloud.all())
            .timeout(AMPLE)
            .isolation(&self.isolation, PermitClass::Interactive)
            .stats(&self.stats)
    }
}
