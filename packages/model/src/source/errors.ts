import { type ErrorFields, GateskipError } from '@gateskip/errors';

/** What is known about the room on a disk that is too small. */
export interface DiskRoom {
  /** What was still to be written; absent where the server does not say how long a file is. */
  readonly neededBytes?: number;
  readonly freeBytes?: number;
  readonly remedy?: string;
}

/**
 * A disk has no room left: `fields.what` is the path, `fields.neededBytes` and `fields.freeBytes` say how much. What was
 * fetched so far is kept as `.part` and continued next time.
 */
export class DiskFullError extends GateskipError {
  constructor(path: string, cause?: unknown, room: DiskRoom = {}) {
    const { neededBytes, freeBytes, remedy } = room;
    super(
      'GS_DISK_FULL',
      `There is no room left to write ${path}${describeRoom(room)}.`,
      remedy ?? 'Free space or set GATESKIP_CACHE_DIR to another disk; a download goes on where it stopped.',
      { what: path, ...(neededBytes !== undefined && { neededBytes }), ...(freeBytes !== undefined && { freeBytes }) },
      { cause },
    );
  }
}

/** More than this is free and yet nothing can be written: it is not the bytes that are missing. */
const oddBytes = 65536;

function describeRoom({ neededBytes, freeBytes }: DiskRoom): string {
  const needed = neededBytes === undefined ? '' : `: ${neededBytes} more bytes are needed`;
  if (freeBytes === undefined) return needed;
  const odd = freeBytes >= (neededBytes ?? 0) + oddBytes ? ' (its table of files or a quota may be full)' : '';
  return `${needed === '' ? ':' : `${needed},`} ${freeBytes} bytes are free${odd}`;
}

/** A name or reference is not one that may be turned into a path or an address. */
export class ModelNameError extends GateskipError {
  constructor(message: string, fields: ErrorFields = {}) {
    super(
      'GS_MODEL_NAME',
      message,
      'Give a path, hf:owner/repo[@revision][/file], pypi:package[==version][/file] or a short name.',
      fields,
    );
  }
}

/** A model could not be fetched; `fields.reasons` holds one line per thing tried. */
export class DownloadError extends GateskipError {
  constructor(
    message: string,
    remedy = 'Check the name and the network, or give a path to a file.',
    fields: ErrorFields = {},
    options?: ErrorOptions,
  ) {
    super('GS_DOWNLOAD', message, remedy, fields, options);
  }
}

/** What arrived is not what was promised: wrong length, wrong sha256, a web page instead of a model. */
export class DownloadMismatchError extends GateskipError {
  constructor(message: string, fields: ErrorFields = {}) {
    super('GS_DOWNLOAD_MISMATCH', message, 'Nothing of it was kept. Try again, or give a path to a file.', fields);
  }
}

/** A cached model differs from what was recorded when it was stored. */
export class CacheDamagedError extends GateskipError {
  constructor(message: string, fields: ErrorFields = {}) {
    super('GS_CACHE_DAMAGED', message, 'Remove it and pull it again.', fields);
  }
}
