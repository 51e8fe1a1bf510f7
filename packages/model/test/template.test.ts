import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderChat } from '../src/index.js';

const messages = [{ role: 'user', content: 'hi' }];
const refused = { code: 'GS_TEMPLATE' };

describe('a template', () => {
  it('renders messages, tools and the opening of the answer', async () => {
    const template =
      '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ tools | length if tools else "-" }}{% if add_generation_prompt %}[assistant]{% endif %}';
    expect(await renderChat(template, messages)).toBe('[user]hi-[assistant]');
    expect(await renderChat(template, messages, { addGenerationPrompt: false, tools: [{ a: 1 }] })).toBe('[user]hi1');
  });

  it('many at once do not mix', async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => renderChat('{{ messages[0].content }}', [{ role: 'user', content: `${i}` }])),
    );
    expect(all).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
  });
});

describe('a hostile template', () => {
  it('that loops for ever is stopped, and the next one works', async () => {
    const start = performance.now();
    const endless = '{% for a in range(100000) %}{% for b in range(100000) %}{% set x = a * b %}{% endfor %}{% endfor %}';
    await expect(renderChat(endless, messages, { timeoutMs: 300 })).rejects.toMatchObject(refused);
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(await renderChat('ok', messages)).toBe('ok');
  });

  it.each([
    [
      'prints a gigabyte',
      `{% set ns = namespace(x='${'x'.repeat(1000)}') %}{% for i in range(20) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}`,
    ],
    ['prints in a loop', "{% for i in range(3000000) %}{{ 'xxxxxxxxxxxxxxxx' }}{% endfor %}"],
    ['makes a list of a billion', '{{ range(1000000000) | length }}'],
    ['raises', "{{ raise_exception('no system role') }}"],
    ['is no template', '{% for %}'],
    ['does not end', '{% if messages %}'],
    ['calls what is not there', '{{ process.exit(1) }}'],
    ['calls a constructor', "{{ ''.constructor.constructor('return process')().exit() }}"],
    ['walks to a prototype', '{{ messages.__proto__.polluted() }}'],
    ['nests ten thousand deep', `${'{% if true %}'.repeat(10000)}x${'{% endif %}'.repeat(10000)}`],
  ])('that %s is a typed error', async (_name, template) => {
    await expect(renderChat(template, messages)).rejects.toMatchObject(refused);
    expect(await renderChat('ok', messages)).toBe('ok');
  });

  it('reads no prototypes of what it is given', async () => {
    expect(await renderChat("[{{ messages[0].__proto__ }}][{{ messages.constructor }}][{{ ''.constructor }}]", messages)).not.toMatch(
      /function|native|Object/,
    );
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('that is too long, or messages that are, are refused before they run', async () => {
    await expect(renderChat('x'.repeat(300_000), messages)).rejects.toMatchObject(refused);
    await expect(renderChat('x', [{ role: 'user', content: 'x'.repeat(9_000_000) }])).rejects.toMatchObject(refused);
    await expect(
      renderChat('{{ messages[0].content }}', [{ role: 'user', content: 'x'.repeat(2000) }], { maxOutput: 1000 }),
    ).rejects.toMatchObject({ ...refused, message: expect.stringContaining('2000') });
  });

  it('can be aborted while it runs', async () => {
    const endless = '{% for a in range(100000) %}{% for b in range(100000) %}{% set x = a * b %}{% endfor %}{% endfor %}';
    await expect(renderChat(endless, messages, { timeoutMs: 60_000, signal: AbortSignal.timeout(200) })).rejects.toMatchObject({
      code: 'GS_ABORTED',
    });
  });
});

it('bad messages are refused', async () => {
  await expect(renderChat('x', [])).rejects.toMatchObject({ code: 'GS_INVALID_ARGUMENT' });
  await expect(renderChat('x', [{ content: 'x' } as never])).rejects.toMatchObject({ code: 'GS_INVALID_ARGUMENT' });
  await expect(renderChat({ config: { name: 'bare' } } as never, messages)).rejects.toMatchObject({
    code: 'GS_TEMPLATE',
    message: expect.stringContaining('bare'),
  });
});

it('the built package renders too, and its thread does not keep the process alive', (context) => {
  const built = fileURLToPath(new URL('../dist/index.js', import.meta.url));
  if (!existsSync(built)) return context.skip('the package is not built here');
  const script = `import { renderChat } from ${JSON.stringify(built)}; console.log(await renderChat('{{ messages[0].content }}', [{ role: 'user', content: 'built' }]));`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 30_000 });
  expect(result.stderr).toBe('');
  expect(result).toMatchObject({ status: 0, stdout: 'built\n' });
});
