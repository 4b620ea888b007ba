# SPDX-License-Identifier: Apache-2.0
"""What the integration and crash tests share: private PostgreSQL clusters, the daemon, its files, the workload."""
