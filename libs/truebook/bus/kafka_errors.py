"""Translates what the Kafka client raises into the port's errors: at this boundary, and nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka import errors

from truebook.bus.port import BusClosed, BusError, BusRefused, BusUnavailable, RecordTooLarge, TopicMismatch

_CLOSED: Final = (errors.ConsumerStoppedError, errors.ProducerClosed)
_TOO_LARGE: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.RecordTooLargeError)
_MISSING: Final = (errors.UnknownTopicOrPartitionError, errors.InvalidTopicError)
_REFUSED: Final = (
    errors.TopicAuthorizationFailedError, errors.GroupAuthorizationFailedError, errors.ClusterAuthorizationFailedError,
    errors.SaslAuthenticationFailed, errors.AuthenticationFailedError, errors.AuthenticationMethodNotSupported,
    errors.UnsupportedSaslMechanismError, errors.InconsistentGroupProtocolError, errors.InvalidGroupIdError,
    errors.InvalidConfigurationError, errors.InvalidReplicationFactorError, errors.PolicyViolationError,
    errors.IncompatibleBrokerVersion, errors.UnsupportedVersionError, errors.SecurityDisabled,
)  # fmt: skip
PRODUCER_IS_SPENT: Final = (
    errors.OutOfOrderSequenceNumber, errors.UnknownProducerId, errors.InvalidProducerEpoch, errors.ProducerFenced,
    errors.InvalidProducerIdMapping,
)  # fmt: skip
"""The broker no longer knows this producer's sequence of records: only a new producer can go on."""


def translated(error: Exception) -> BusError:
    """Give the port's error for one of the client's (or of the sockets below it)."""
    text = str(error) or type(error).__name__
    if isinstance(error, _CLOSED):
        return BusClosed("the connection to Kafka has been closed")
    if isinstance(error, _TOO_LARGE):
        return RecordTooLarge(f"the record is larger than Kafka takes: {text}")
    if isinstance(error, _MISSING):
        return TopicMismatch(
            f"Kafka does not have the topic: {text}; create the topics with `truebook topics --create`"
        )
    if isinstance(error, errors.InvalidSessionTimeoutError):
        return BusRefused(
            "Kafka refuses the session time-out: it lies below the broker's group.min.session.timeout.ms or above its "
            "maximum; set TRUEBOOK_KAFKA_SESSION_S"
        )
    if isinstance(error, (*_REFUSED, ssl.SSLCertVerificationError)):
        return BusRefused(f"Kafka refuses this user or these settings: {text}")
    return BusUnavailable(f"Kafka can't be reached or can't answer now: {text}")


@contextmanager
def translating() -> Iterator[None]:
    """Raise the port's errors for whatever the client raises inside."""
    try:
        yield
    except (errors.KafkaError, errors.ConsumerStoppedError, OSError) as error:
        raise translated(error) from error
