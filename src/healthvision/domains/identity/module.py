# SPDX-License-Identifier: Apache-2.0
"""The plug of identity."""

from healthvision.domains.identity import api, jobs, oauth_api, preferences_api
from healthvision.domains.identity.authentication import Identity
from healthvision.domains.identity.cache import AccountCache
from healthvision.domains.identity.credentials import Passwords
from healthvision.domains.identity.granting import register_permissions
from healthvision.domains.identity.keyring import Keyring
from healthvision.domains.identity.permissions import PERMISSIONS
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.kernel.db import Database
from healthvision.kernel.http import Authenticator, RateLimiter
from healthvision.kernel.masterkey import MasterKey
from healthvision.kernel.module import Module
from healthvision.kernel.ratelimit import RateLimitSettings, SharedRateLimiter, make_limiter
from healthvision.kernel.settings import CoreSettings


async def start(db: Database, core: CoreSettings) -> None:
    """Put keys, authenticator and rate limiter into the process's resources."""
    resources, settings = db.resources, IdentitySettings()
    if not resources.has(MasterKey):
        key = MasterKey.load_or_create(core.master_key_file, data_dir=core.data_dir)
        resources.put(MasterKey, key)
    resources.put(CoreSettings, core)
    resources.put(IdentitySettings, settings)
    keyring = Keyring(resources.get(MasterKey).derive(b"identity"), settings)
    cache = AccountCache(settings.cache_s)
    resources.put(Keyring, keyring)
    resources.put(AccountCache, cache)
    resources.put(Passwords, Passwords(settings))
    identity = Identity(db, keyring, cache, settings, core.public_url.rstrip("/"))
    resources.put(Identity, identity)
    resources.put(Authenticator, identity)  # type: ignore[type-abstract]
    if not resources.has(RateLimiter):
        redis_url = core.redis_url.get_secret_value() if core.redis_url else None
        limiter = make_limiter(db, RateLimitSettings(), redis_url=redis_url)
        resources.put(SharedRateLimiter, limiter)
        resources.put(RateLimiter, limiter)  # type: ignore[type-abstract]
    register_permissions(resources, [MODULE])


async def stop(db: Database) -> None:
    """Close the rate limiter."""
    if db.resources.has(SharedRateLimiter):
        await db.resources.get(SharedRateLimiter).close()


MODULE = Module(
    name="identity",
    routers=(api.router, preferences_api.router, oauth_api.router, oauth_api.well_known),
    periodics=jobs.PERIODICS,
    permissions=PERMISSIONS,
    start=start,
    stop=stop,
)
