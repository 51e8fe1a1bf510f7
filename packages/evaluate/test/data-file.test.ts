import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readDataFile } from '../src/data/read-data-file.js';
import { readUtf8File } from '../src/data/read-utf8-file.js';
import { DataMissingError, RecordInvalidError } from '../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'gateskip-data-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(text: string | Uint8Array): string {
  const path = join(folder, 'file');
  writeFileSync(path, text);
  return path;
}

const read = async (text: string) => (await readDataFile(write(text))).records.map(({ place, value }) => [place.number, value.n]);
const page = (...indices: readonly number[]) => JSON.stringify({ rows: indices.map((index) => ({ row_idx: index, row: { n: index } })) });

describe('a data file', () => {
  it.each<[string, string, readonly (readonly number[])[]]>([
    [
      'lines with empty ones between',
      '{"n":1}\n\n \r\n{"n":2}\r\n',
      [
        [1, 1],
        [4, 2],
      ],
    ],
    ['a byte order mark', '\uFEFF{"n":1}', [[1, 1]]],
    [
      'a list in one line',
      '[{"n":1},{"n":2}]\n',
      [
        [1, 1],
        [2, 2],
      ],
    ],
    [
      'a list over lines',
      '\n[\n{"n":1},\n{"n":2}\n]',
      [
        [1, 1],
        [2, 2],
      ],
    ],
    ['one object over lines', '{\n"n":1\n}', [[1, 1]]],
    [
      'pages one a line',
      `${page(0, 1)}\n${page(2)}\n`,
      [
        [1, 0],
        [2, 1],
        [3, 2],
      ],
    ],
    [
      'a page that begins later',
      page(100, 101),
      [
        [101, 100],
        [102, 101],
      ],
    ],
    ['rows without numbers', '{"rows":[{"row":{"n":7}}]}', [[1, 7]]],
    [
      'a document of data',
      '{"version":"1","data":[{"n":1},{"n":2}]}',
      [
        [1, 1],
        [2, 2],
      ],
    ],
    [
      'records that have a field data',
      '{"n":1,"data":[]}\n{"n":2,"data":[]}',
      [
        [1, 1],
        [2, 2],
      ],
    ],
  ])('may have %s', async (_, text, expected) => {
    expect(await read(text)).toEqual(expected);
  });

  it.each([
    ['a broken first line', '{"n":\n{"n":1}', /line 1: it is no JSON, neither by itself/],
    ['a broken later line', '{"n":1}\n{"n":', /line 2: it is no JSON/],
    ['a list with more behind it', '[]\n{"n":1}', /line 1: .*it is a list, and more follows/],
    ['a text in a list', '["a"]', /record 1: it is no object/],
    ['a row that is none', '{"rows":[{"row_idx":4,"row":1}]}', /record 5: it is no object/],
    ['pages that overlap', `${page(0, 1)}\n${page(1, 2)}`, /record 2: it is there twice/],
    [
      'a row that the server cut',
      '{"rows":[{"row_idx":8,"row":{"n":1},"truncated_cells":["ctx"]}]}',
      /record 9: the server cut its fields "ctx"/,
    ],
  ])('must not have %s', async (_, text, message) => {
    await expect(read(text)).rejects.toThrow(RecordInvalidError);
    await expect(read(text)).rejects.toThrow(message);
  });

  it.each(['', '\n \n', '[]', '{"rows":[]}'])('must have records: %j', async (text) => {
    await expect(read(text)).rejects.toThrow(/holds no records/);
  });
});

describe('a text file', () => {
  it('is read whole, also where it is longer than one read, and held to its limit to the byte', async () => {
    const path = write('ä'.repeat(100_000));
    expect((await readUtf8File(path, 200_000, 'Less.')).text).toBe('ä'.repeat(100_000));
    await expect(readUtf8File(path, 199_999, 'Less.')).rejects.toMatchObject({
      code: 'GS_EVAL_DATA',
      remedy: 'Less.',
      fields: { got: 200_000 },
    });
    expect((await readUtf8File(write(''), 0, '')).text).toBe('');
  });

  it.skipIf(process.platform === 'win32')('is held to its limit where its size is not known', async () => {
    await expect(readUtf8File('/dev/zero', 100_000, 'Less.')).rejects.toThrow(/more than 100000 bytes, at most 100000/);
  });

  it('must be there, be a file, and be UTF-8', async () => {
    await expect(readUtf8File(join(folder, 'gone'), 9, '')).rejects.toThrow(DataMissingError);
    await expect(readUtf8File(folder, 9999, '')).rejects.toThrow(/Cannot read/);
    await expect(readUtf8File(write(Uint8Array.of(0xff, 0x20)), 9, '')).rejects.toThrow(/not UTF-8/);
  });
});
