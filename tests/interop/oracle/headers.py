"""Identity headers: the context that Nova's own WSGI middleware makes of what keystonemiddleware has put into a request."""

import webob
import webob.dec
from nova.api import auth

FIELDS = [
    'user_id', 'user_name', 'user_domain_id', 'user_domain_name',
    'project_id', 'project_name', 'project_domain_id', 'project_domain_name',
    'domain_id', 'domain_name', 'system_scope', 'is_admin', 'is_admin_project', 'roles', 'auth_token',
    'service_user_id', 'service_user_name', 'service_user_domain_id', 'service_user_domain_name',
    'service_project_id', 'service_project_name', 'service_project_domain_id', 'service_project_domain_name',
    'service_roles', 'service_token', 'global_request_id', 'remote_address',
]


def read(headers, caller, address):
    """The context's fields, or the status of the refusal."""
    seen = []

    @webob.dec.wsgify
    def app(request):
        seen.append(request.environ['nova.context'])
        return webob.Response()

    request = webob.Request.blank('/')
    request.environ['REMOTE_ADDR'] = address
    request.environ['openstack.global_request_id'] = caller
    for name, value in headers:
        request.environ['HTTP_' + name.upper().replace('-', '_')] = value
    response = request.get_response(auth.NovaKeystoneContext(app))
    if not seen:
        return {'status': response.status_int}
    context = seen[0]
    fields = {name: getattr(context, name) for name in FIELDS}
    fields['catalog'] = [service['type'] for service in context.service_catalog]
    return fields
