import type { CommandIo } from '../io.js';

/** Colours that stdout shows, by the usual variables (NO_COLOR, COLORTERM, TERM). */
export function terminalColor({ stdout, env }: CommandIo): 'truecolor' | '256' | 'none' {
  if (stdout.isTTY !== true || (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb') return 'none';
  if (/truecolor|24bit/i.test(env.COLORTERM ?? '')) return 'truecolor';
  return /256|kitty|alacritty|direct/i.test(env.TERM ?? '') ? '256' : 'none';
}
