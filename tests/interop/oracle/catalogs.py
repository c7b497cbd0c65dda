"""Endpoints: keystoneauth's catalogs, alone and behind the auth plugin of Nova's context."""

from keystoneauth1.access import service_catalog
from nova import context


def url_for(route, catalog, query):
    """The URL that fits. `route` is 'nova' (a context's own plugin), 'v2' or 'v3' (the catalog class itself)."""
    if route == 'nova':
        ctx = context.RequestContext(service_catalog=catalog, is_admin=False)
        return ctx.get_auth_plugin().get_endpoint(None, **query)
    classes = {'v2': service_catalog.ServiceCatalogV2, 'v3': service_catalog.ServiceCatalogV3}
    # The plugin's default, not the classes' own: no interface asked for means any.
    return classes[route](catalog).url_for(**{'interface': None, **query})
