import { readFileSync, writeFileSync } from 'node:fs';

export interface AdapterHeader {
  __metadata__: { gateskip: string };
  [tensor: string]: unknown;
}

/** Rewrites the header of a stored adapter; the tensors' bytes stay where they are. */
export function rewriteHeader(path: string, change: (header: AdapterHeader) => void): void {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as AdapterHeader;
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([prefix, text, bytes.subarray(8 + length)]));
}

/** A change of the JSON part alone. */
export const inDescription = (change: (json: Record<string, unknown>) => void) => (header: AdapterHeader) => {
  const json = JSON.parse(header.__metadata__.gateskip);
  change(json);
  header.__metadata__.gateskip = JSON.stringify(json);
};
