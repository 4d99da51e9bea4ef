"""Loggers of the libraries below, pinned: they speak of every request, and their errors come out translated."""

from __future__ import annotations

import logging

_NOISY = ("pypsrp", "winrm", "requests", "urllib3", "spnego", "requests_ntlm", "requests_credssp", "requests_kerberos")


def pin_loggers() -> None:
    """Let these loggers say warnings and worse only, and only where the application has set up logging."""
    for name in _NOISY:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
