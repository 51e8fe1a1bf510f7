import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { AbortedError } from '@gateskip/errors';
import { PeerFailedError } from './bench-errors.js';
import type { PeerStart } from './find-peer.js';
import type { PeerAnswer, PeerRequest } from './peer-protocol.js';

/** No single measurement takes longer, however slow the machine. */
const answerLimitMs = 600_000;

/** A peer in a process of its own. It works only while it is asked, so that it and we take turns. */
export class PeerProcess {
  private readonly child: ChildProcess;
  private readonly errors: string[] = [];
  /** Whoever waits for the answer. */
  private hear: ((answer: PeerAnswer) => void) | undefined;

  constructor(
    private readonly name: string,
    private readonly start: PeerStart,
    private readonly signal: AbortSignal,
  ) {
    const { kind } = start;
    this.child =
      kind === 'node'
        ? fork(start.program, [], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
        : spawn(start.command, start.words, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors.push(text);
      if (this.errors.length > 100) this.errors.shift();
    });
    if (kind === 'node') this.child.on('message', (answer: PeerAnswer) => this.hear?.(answer));
    else if (this.child.stdout) createInterface(this.child.stdout).on('line', (line) => this.hear?.(parseAnswer(line)));
    // Heard where somebody waits for an answer.
    this.child.on('error', () => undefined);
    this.child.stdin?.on('error', () => undefined);
  }

  async open(modelPath: string, contextTokens: number): Promise<Readonly<Record<string, string | number | boolean>>> {
    const { start } = this;
    const where = start.kind === 'node' ? { moduleUrl: start.moduleUrl } : {};
    const reply = await this.ask({ command: 'open', ...where, modelPath, contextTokens });
    return 'details' in reply ? reply.details : {};
  }

  /** Tokens per second. */
  decode(threads: number, prompt: Int32Array, tokens: number): Promise<number> {
    return this.speed({ command: 'decode', threads, prompt: Array.from(prompt), tokens });
  }

  /** Tokens per second. */
  prefill(threads: number, prompt: Int32Array): Promise<number> {
    return this.speed({ command: 'prefill', threads, prompt: Array.from(prompt) });
  }

  close(): void {
    this.child.kill('SIGKILL');
  }

  private async speed(request: PeerRequest): Promise<number> {
    const reply = await this.ask(request);
    if (!('tokensPerSecond' in reply) || !(reply.tokensPerSecond > 0)) throw new PeerFailedError(this.name, 'it gave no speed');
    return reply.tokensPerSecond;
  }

  private ask(request: PeerRequest): Promise<PeerAnswer> {
    const { child, signal, name } = this;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.hear = undefined;
        child.off('exit', onExit).off('error', onError);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const refuse = (what: string): void => settle(() => reject(new PeerFailedError(name, what)));
      const onError = (error: Error): void => refuse(error.message);
      const onExit = (code: number | null, killedBy: string | null): void =>
        refuse(`its process ended (${killedBy ?? `code ${code}`}) ${this.errors.join('').trim().slice(-300)}`.trim());
      const onAbort = (): void => {
        this.close();
        settle(() => reject(new AbortedError('The race')));
      };
      const timer = setTimeout(() => {
        this.close();
        refuse(`it did not answer for ${answerLimitMs / 1000} s`);
      }, answerLimitMs);
      if (signal.aborted) return onAbort();
      if (child.exitCode !== null || child.signalCode !== null) return onExit(child.exitCode, child.signalCode);
      this.hear = (reply) => ('error' in reply ? refuse(reply.error) : settle(() => resolve(reply)));
      child.on('exit', onExit).on('error', onError);
      signal.addEventListener('abort', onAbort, { once: true });
      this.send(request, (error) => {
        // A process that ended says more than the pipe to it: what it wrote last.
        if (error && child.exitCode === null && child.signalCode === null && this.start.kind === 'node') refuse(error.message);
      });
    });
  }

  private send(request: PeerRequest, done: (error: Error | null | undefined) => void): void {
    if (this.start.kind === 'node') this.child.send(request, done);
    else this.child.stdin?.write(`${JSON.stringify(request)}\n`, done);
  }
}

function parseAnswer(line: string): PeerAnswer {
  try {
    const answer = JSON.parse(line) as unknown;
    if (typeof answer === 'object' && answer !== null && ['details', 'tokensPerSecond', 'error'].some((key) => key in answer))
      return answer as PeerAnswer;
  } catch {
    // Said below.
  }
  return { error: `its answer cannot be read: ${line.slice(0, 200)}` };
}
