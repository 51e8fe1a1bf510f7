import { isGateskipError } from '@gateskip/errors';

/** JSON of plain data; typed arrays become arrays, big integers numbers, and what is not finite null. */
export function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, item: unknown) => {
      if (typeof item === 'bigint') return Number(item);
      return ArrayBuffer.isView(item) && !(item instanceof DataView) ? Array.from(item as unknown as ArrayLike<number>) : item;
    },
    2,
  );
}

export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string; readonly fields: unknown };
}

/** What `--json` prints where a command fails. `message` ends with the remedy, as everywhere in gateskip. */
export function errorDocument(error: unknown): ErrorDocument {
  if (isGateskipError(error)) {
    const { code, message, remedy, fields } = error;
    return { error: { code, message, remedy, fields } };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { error: { code: 'GS_UNEXPECTED', message, remedy: 'Set GATESKIP_DEBUG=1 to see where.', fields: {} } };
}
