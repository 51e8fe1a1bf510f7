import { type ErrorFields, GateskipError } from '@gateskip/errors';

/** The command line cannot be read, or its parts contradict each other. */
export class UsageError extends GateskipError {
  constructor(message: string, remedy = '', fields: ErrorFields = {}) {
    super('GS_USAGE', message, remedy, fields);
  }
}

/** Something needs gates, and there are none for this model. */
export class NoAdapterError extends GateskipError {
  constructor(what: string, reference: string, modelName: string, fingerprint: string, why: string) {
    super(
      'GS_NO_ADAPTER',
      `${what} needs a gate adapter, and ${why} for model "${modelName}" (${fingerprint.slice(0, 12)}).`,
      `Make one with \`gateskip fit ${reference} --out gates.safetensors\` and pass \`--adapter gates.safetensors\`.`,
      { what: 'adapter', modelName, fingerprint },
    );
  }
}

/** A file is in the way. */
export class FileExistsError extends GateskipError {
  constructor(path: string) {
    super('GS_FILE_EXISTS', `${path} exists.`, 'Pass --force to replace it, or another name.', { what: path });
  }
}

/** A prompt or text from a file or a pipe that is no text, or too long to be one. */
export class TextInputError extends GateskipError {
  constructor(message: string, remedy = '', fields: ErrorFields = {}) {
    super('GS_TEXT_INPUT', message, remedy, fields);
  }
}

/** Nothing in the cache has this name. */
export class NotCachedError extends GateskipError {
  constructor(name: string) {
    super('GS_NOT_CACHED', `The cache holds nothing called "${name}".`, 'List what is there with `gateskip models`.', { what: name });
  }
}
