"""What Google's clients raise, as one line; their texts name requests and reasons, never credentials."""

import contextlib
from collections.abc import Iterator

from components.errors import ConfigError
from pipeline.kubeflow.submission.job import ServiceError


@contextlib.contextmanager
def google_errors(service: str) -> Iterator[None]:
    """In the block, ConfigError for missing credentials and ServiceError for all that ``service`` refuses."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from requests.exceptions import RequestException

    try:
        yield
    except DefaultCredentialsError as error:
        raise ConfigError(
            "No Google credentials were found. Type `gcloud auth application-default login`, or let "
            "GOOGLE_APPLICATION_CREDENTIALS name a key file."
        ) from error
    except (GoogleAPICallError, RetryError, GoogleAuthError, RequestException) as error:
        raise ServiceError(f"{service}: {error}") from error
