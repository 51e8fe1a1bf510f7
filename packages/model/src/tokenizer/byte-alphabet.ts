/**
 * The byte-level alphabet of GPT-2: each byte is written as one printable character. Printable Latin-1 bytes stand for
 * themselves, the 68 others for U+0100 onwards in byte order.
 */
const isPlain = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;

export const byteToCharacter: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPlain(byte) ? byte : next++));
})();

const characterToByte: ReadonlyMap<string, number> = new Map(byteToCharacter.map((character, byte) => [character, byte]));

/** Bytes that a token of this alphabet stands for; characters outside it (added tokens) count as their UTF-8. */
export function bytesOfToken(token: string): Uint8Array {
  const out: number[] = [];
  for (const character of token) {
    const byte = characterToByte.get(character);
    if (byte !== undefined) out.push(byte);
    else out.push(...new TextEncoder().encode(character));
  }
  return Uint8Array.from(out);
}
