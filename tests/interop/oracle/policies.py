"""Decisions: oslo.policy over rules of the question, and Nova over its own defaults."""

from nova import context
from nova import policy as nova_policy
from oslo_config import cfg
from oslo_policy import policy


def rules(registered, file, action, target, creds, instead_of_none=None):
    """What oslo.policy decides for a context, with the rules of a policy file in JSON over registered ones.

    With `instead_of_none` the context has that text wherever it has nothing.
    """
    enforcer = policy.Enforcer(cfg.CONF, use_conf=False, rules={})
    for name, check in registered.items():
        enforcer.register_default(policy.RuleDefault(name, check))
    enforcer.set_rules(policy.Rules.load(file))
    ctx = context.RequestContext.from_dict(creds)
    if instead_of_none is not None:
        values = ctx.to_policy_values()
        ctx = {key: instead_of_none if values[key] is None else values[key] for key in values}
    return bool(enforcer.authorize(action, target, ctx, do_raise=False))


def nova_defaults(action, target, creds, new_defaults):
    """What Nova decides for a context, with the policies that it registers itself.

    Without `new_defaults`, what a default was before is enough, too.
    """
    # The options are registered with the first enforcer.
    nova_policy.init()
    if cfg.CONF.oslo_policy.enforce_new_defaults != new_defaults:
        cfg.CONF.set_override('enforce_new_defaults', new_defaults, 'oslo_policy')
        nova_policy.reset()
    ctx = context.RequestContext.from_dict(creds)
    return bool(ctx.can(action, target, fatal=False))
