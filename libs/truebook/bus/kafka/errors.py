"""Translate the Kafka client's errors into those of the port: the only place that does."""

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
PRODUCER_INVALID: Final = (
    errors.OutOfOrderSequenceNumber, errors.UnknownProducerId, errors.InvalidProducerEpoch, errors.ProducerFenced,
    errors.InvalidProducerIdMapping,
)  # fmt: skip
"""The broker no longer accepts this producer's sequence of records: a new producer is needed."""


class FencedInstanceIdError(errors.BrokerResponseError):  # type: ignore[misc]
    """Another member has joined the group under the same name. The client does not know this error of Kafka's."""

    errno = 82
    message = "FENCED_INSTANCE_ID"


NAME_USED_TWICE: Final = (
    "another process has joined the group under the same name: give each process its own TRUEBOOK_INSTANCE, such as "
    "NAME-{hostname}"
)
errors.kafka_errors.setdefault(FencedInstanceIdError.errno, FencedInstanceIdError)


def translated(error: Exception) -> BusError:
    """Return the port's error for one of the client or its sockets."""
    text = str(error) or type(error).__name__
    if isinstance(error, _CLOSED):
        return BusClosed("the connection to Kafka has been closed")
    if isinstance(error, _TOO_LARGE):
        return RecordTooLarge(f"the record is larger than Kafka accepts: {text}")
    if isinstance(error, _MISSING):
        return TopicMismatch(
            f"Kafka does not have the topic: {text}; create the topics with `truebook topics --create`"
        )
    if isinstance(error, errors.InvalidSessionTimeoutError):
        return BusRefused(
            "Kafka refuses the session timeout: it is below the broker's group.min.session.timeout.ms or above its "
            "maximum; set TRUEBOOK_KAFKA_SESSION_S"
        )
    if isinstance(error, FencedInstanceIdError) or FencedInstanceIdError.__name__ in text:
        # A retry helps: after a fail-over, the former process may join again before it ends.
        return BusUnavailable(NAME_USED_TWICE)
    if isinstance(error, (*_REFUSED, ssl.SSLCertVerificationError)):
        return BusRefused(f"Kafka refuses this user or these settings: {text}")
    return BusUnavailable(f"Kafka can't be reached or can't respond now: {text}")


@contextmanager
def translating() -> Iterator[None]:
    """Raise the port's errors for whatever the client raises inside."""
    try:
        yield
    except (errors.KafkaError, errors.ConsumerStoppedError, OSError) as error:
        raise translated(error) from error
