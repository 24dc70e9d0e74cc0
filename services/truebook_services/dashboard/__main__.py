"""The page as a service of its own: settings, logs, health, signals and exit code."""

from __future__ import annotations

from truebook.runtime.settings import load
from truebook_services.dashboard.run import run_page
from truebook_services.dashboard.settings import DashboardSettings
from truebook_services.serving.exit_codes import exit_with_one_line

if __name__ == "__main__":
    with exit_with_one_line():
        run_page(load(DashboardSettings))
