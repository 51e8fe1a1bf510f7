import { type ErrorFields, GateskipError } from '@gateskip/errors';

/** A model file is well formed but of a kind that this code does not run (architecture, version, byte order, option). */
export class UnsupportedModelError extends GateskipError {
  constructor(
    message: string,
    remedy = 'Use a Llama-family model as GGUF (version 2 or 3, little-endian) or safetensors.',
    fields: ErrorFields = {},
  ) {
    super('GS_UNSUPPORTED_MODEL', message, remedy, fields);
  }
}

/** A tensor is stored in a type that this code does not read. */
export class UnsupportedTensorTypeError extends GateskipError {
  constructor(tensor: string, type: string) {
    super(
      'GS_UNSUPPORTED_TENSOR_TYPE',
      `Tensor "${printable(tensor)}" is stored as ${type}; known types are F32, F16, BF16, Q4_0, Q4_1 and Q8_0.`,
      'Take a file that is quantized to one of these.',
      { what: tensor, got: type },
    );
  }
}

/** A model file breaks its own format: the file is damaged, cut short or hostile. Nothing was allocated for its claims. */
export class InvalidModelError extends GateskipError {
  constructor(path: string, message: string, fields: ErrorFields = {}) {
    super('GS_INVALID_MODEL', `${printable(path)}: ${message}`, 'Fetch the file again or take another one.', { what: path, ...fields });
  }
}

/** The file system refused, or a file changed after it was opened. */
export class ModelIoError extends GateskipError {
  constructor(message: string, fields: ErrorFields = {}, options?: ErrorOptions) {
    super('GS_MODEL_IO', message, 'Check that the file exists, is readable and is not being written.', fields, options);
  }
}

/** The model's tokenizer is of a kind that this code does not reproduce exactly. */
export class UnsupportedTokenizerError extends GateskipError {
  constructor(message: string, fields: ErrorFields = {}) {
    super('GS_UNSUPPORTED_TOKENIZER', message, 'Use a model with a byte-level BPE (gpt2) or SentencePiece BPE (llama) vocabulary.', fields);
  }
}

/** A chat template failed, ran too long, printed too much or does not exist. */
export class TemplateError extends GateskipError {
  constructor(message: string, remedy = 'Give the prompt without a template, or another template.', fields: ErrorFields = {}) {
    super('GS_TEMPLATE', message, remedy, fields);
  }
}

/** A chat template ran and failed by itself, e.g. because it takes no system message; another time it will again. */
export class TemplateRefusalError extends TemplateError {}

/** Text from a file as it may be printed: control characters escaped, cut to 120 characters. */
export function printable(text: string): string {
  const short = text.length > 120 ? `${text.slice(0, 117)}...` : text;
  return short.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
