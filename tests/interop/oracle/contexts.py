"""Contexts on the wire: Nova's `from_dict` and `to_dict`, bare or by way of oslo.messaging's packing."""

from nova import context
from nova import rpc
from oslo_messaging._drivers import amqp


def read(message, rpc_form):
    """The dict that Nova makes of a dict: what it would send on. In RPC form the keys have their prefix."""
    if not rpc_form:
        return context.RequestContext.from_dict(message).to_dict()
    serializer = rpc.RequestContextSerializer(None)
    unpacked = amqp.unpack_context(message)
    read = serializer.deserialize_context(unpacked.to_dict())
    packed = {}
    amqp.pack_context(packed, serializer.serialize_context(read))
    return packed
