/**
 * What can go wrong, by who must react. Callers branch on the class or on `status`, never on the text.
 */

/** Everything this library throws by itself. An aborted call throws the reason of its signal instead. */
export class MiteosError extends Error {
  static {
    this.prototype.name = "MiteosError";
  }
}

/** A call that could not be put together: no key, a bad address, an empty id. Nothing was sent. */
export class UsageError extends MiteosError {
  static {
    this.prototype.name = "UsageError";
  }
}

/**
 * No answer came, after every retry. Whether the call took effect is not known; the same call with the same
 * idempotency key may be made again without doing anything twice.
 */
export class ConnectionError extends MiteosError {
  static {
    this.prototype.name = "ConnectionError";
  }
}

/** No answer came in time. */
export class TimeoutError extends ConnectionError {
  static {
    this.prototype.name = "TimeoutError";
  }
}

/** An answer came that the contract does not know: not a Miteos server, or one of another time. */
export class ProtocolError extends MiteosError {
  static {
    this.prototype.name = "ProtocolError";
  }
}

/** The message is not from the server that holds the secret, or it is too old. */
export class WebhookVerificationError extends MiteosError {
  static {
    this.prototype.name = "WebhookVerificationError";
  }
}

/** What the server said when it refused. */
export interface ApiFailure {
  status: number;
  /** The server's own sentence: what is wrong, where, and what would be right. */
  detail: string;
  /** Names the request in the server's log. */
  requestId: string | undefined;
  /** How long the server asks to wait before the next attempt. */
  retryAfterMs: number | undefined;
  method: string;
  /** Without the query. */
  path: string;
}

/** The server answered with an error. */
export class ApiError extends MiteosError {
  static {
    this.prototype.name = "ApiError";
  }
  readonly status: number;
  /** The server's own sentence: what is wrong, where, and what would be right. */
  readonly detail: string;
  /** Names the request in the server's log. */
  readonly requestId: string | undefined;
  /** How long the server asks to wait before the next attempt. */
  readonly retryAfterMs: number | undefined;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /**
   * The field or parameter that `detail` begins with, such as `config.max_agents`. Read from the sentence, so it
   * serves to mark a field of a form and not to decide by.
   */
  readonly param: string | undefined;

  constructor(failure: ApiFailure) {
    const request = failure.requestId === undefined ? "" : `, ${failure.requestId}`;
    super(`${failure.detail} (${failure.status}${request})`);
    this.status = failure.status;
    this.detail = failure.detail;
    this.requestId = failure.requestId;
    this.retryAfterMs = failure.retryAfterMs;
    this.method = failure.method;
    this.path = failure.path;
    this.param = failure.status === 400 || failure.status === 422 ? paramOf(failure.detail) : undefined;
  }
}

/** 400: bad JSON, a missing field, a wrong type. */
export class BadRequestError extends ApiError {
  static {
    this.prototype.name = "BadRequestError";
  }
}

/** 401: no key, or one that opens nothing any more. */
export class UnauthorizedError extends ApiError {
  static {
    this.prototype.name = "UnauthorizedError";
  }
}

/** 403: the key lacks a scope, or a link is altered or expired. */
export class ForbiddenError extends ApiError {
  static {
    this.prototype.name = "ForbiddenError";
  }
  /** The scope that the key lacks, where the server names it. */
  get scope(): string | undefined {
    return /lacks the scope ([a-z_]+\.[a-z]+)/.exec(this.detail)?.[1];
  }
}

/** 404: there is no such object in the world of this key. */
export class NotFoundError extends ApiError {
  static {
    this.prototype.name = "NotFoundError";
  }
}

/** 409: the idempotency key was used for another body, or its first request is still being answered. */
export class ConflictError extends ApiError {
  static {
    this.prototype.name = "ConflictError";
  }
}

/** 413: the body is larger than the server takes. */
export class TooLargeError extends ApiError {
  static {
    this.prototype.name = "TooLargeError";
  }
}

/** 422: understood and refused: out of range, an unknown value, a state that does not allow it. */
export class RefusedError extends ApiError {
  static {
    this.prototype.name = "RefusedError";
  }
}

/** 429: the key made its requests of this minute, or has all its streams open. */
export class RateLimitError extends ApiError {
  static {
    this.prototype.name = "RateLimitError";
  }
}

/** 500 and above: the server failed inside, or is stopping. */
export class ServerError extends ApiError {
  static {
    this.prototype.name = "ServerError";
  }
}

/** The class that belongs to the status. */
export function apiError(failure: ApiFailure): ApiError {
  switch (failure.status) {
    case 400:
      return new BadRequestError(failure);
    case 401:
      return new UnauthorizedError(failure);
    case 403:
      return new ForbiddenError(failure);
    case 404:
      return new NotFoundError(failure);
    case 409:
      return new ConflictError(failure);
    case 413:
      return new TooLargeError(failure);
    case 422:
      return new RefusedError(failure);
    case 429:
      return new RateLimitError(failure);
    default:
      return failure.status >= 500 ? new ServerError(failure) : new ApiError(failure);
  }
}

/** Whether the same call may succeed a moment later. */
export function isTransient(error: unknown): error is ConnectionError | ApiError {
  if (error instanceof ConnectionError) return true;
  return error instanceof ApiError && (error.status === 408 || error.status === 429 || error.status >= 500);
}

/** The three ways in which the server's sentences name a field. */
const NAMES_A_FIELD = [
  /missing field `([^`]+)`/,
  /^the query is not as expected: ([a-z][a-z0-9_.]*):/,
  /^([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)(?:: | (?:is|must|goes|names|has|may) )/,
];

/** Words that begin a sentence in the place of a field's name. */
const NO_FIELDS = new Set(["a", "it", "that", "there", "this"]);

function paramOf(detail: string): string | undefined {
  for (const pattern of NAMES_A_FIELD) {
    const name = pattern.exec(detail)?.[1];
    if (name !== undefined) return NO_FIELDS.has(name) ? undefined : name;
  }
  return undefined;
}
