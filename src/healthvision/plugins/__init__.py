# SPDX-License-Identifier: Apache-2.0
"""Things one can swap: applications, storage, channels, destinations, engines."""
