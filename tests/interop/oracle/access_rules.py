"""Access rules: what keystonemiddleware lets the bearer of an application credential's token do."""

import types

from keystonemiddleware import auth_token
from keystonemiddleware.auth_token import _exceptions


def allowed(rules, service_type, method, path):
    """Whether a token with these rules is good for the request, by the middleware of a service of this type."""
    middleware = auth_token.BaseAuthProtocol(None, service_type=service_type)
    request = types.SimpleNamespace(method=method, path=path, service_token=None)
    token = {'application_credential': {'access_rules': rules}, 'catalog': [{'type': service_type}]}
    try:
        middleware.validate_allowed_request(request, token)
    except _exceptions.InvalidToken:
        return False
    return True
