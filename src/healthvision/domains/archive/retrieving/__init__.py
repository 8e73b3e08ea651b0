# SPDX-License-Identifier: Apache-2.0
"""Reading instances, frames and metadata, with corrections applied on the way out."""
