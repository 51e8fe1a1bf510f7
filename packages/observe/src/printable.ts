/**
 * A token's text made safe to show in one line: control characters become their Unicode pictures, characters that are
 * invisible, turn the direction of text or are not allowed in XML become U+FFFD, and long texts end in an ellipsis.
 */
export function printable(text: string, maxCharacters = 16): string {
  // A token may be megabytes of hostile text: look only at what can be shown (a character is at most two code units).
  const head = text.slice(0, 2 * maxCharacters + 2);
  const characters = Array.from(head, show);
  if (head.length === text.length && characters.length <= maxCharacters) return characters.join('');
  return `${characters.slice(0, maxCharacters - 1).join('')}…`;
}

/** For text and attributes of XML. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function show(character: string): string {
  const code = character.codePointAt(0) as number;
  if (code === 0x20) return ' ';
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return isHidden(code) ? '\ufffd' : character;
}

function isHidden(code: number): boolean {
  return (
    (code >= 0x80 && code <= 0x9f) ||
    code === 0xad ||
    code === 0x61c ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    (code >= 0xd800 && code <= 0xdfff) ||
    (code >= 0xfe00 && code <= 0xfe0f) ||
    code === 0xfeff ||
    (code >= 0xfff0 && code <= 0xfffb) ||
    (code & 0xfffe) === 0xfffe ||
    (code >= 0xe0000 && code <= 0xe0fff)
  );
}
