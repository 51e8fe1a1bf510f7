import { type ChildProcess, fork } from 'node:child_process';
import { AbortedError } from '@gateskip/errors';
import { PeerFailedError } from './bench-errors.js';
import type { FoundPeer } from './find-peer.js';
import type { PeerAnswer, PeerRequest } from './peer-protocol.js';

/** No single measurement takes longer, however slow the machine. */
const answerLimitMs = 600_000;

/** A peer in a process of its own. It works only while it is asked, so that it and we take turns. */
export class PeerProcess {
  private readonly child: ChildProcess;
  private readonly errors: string[] = [];

  constructor(
    private readonly peer: FoundPeer,
    program: string,
    private readonly signal: AbortSignal,
  ) {
    this.child = fork(program, [], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors.push(text);
      if (this.errors.length > 100) this.errors.shift();
    });
    // Heard where somebody waits for an answer.
    this.child.on('error', () => undefined);
  }

  async open(modelPath: string, contextTokens: number): Promise<Readonly<Record<string, string | number | boolean>>> {
    const reply = await this.ask({ command: 'open', moduleUrl: this.peer.moduleUrl, modelPath, contextTokens });
    return 'details' in reply ? reply.details : {};
  }

  async prepare(threads: number): Promise<void> {
    await this.ask({ command: 'threads', threads });
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
    if (!('tokensPerSecond' in reply) || !(reply.tokensPerSecond > 0)) throw new PeerFailedError(this.peer.name, 'it gave no speed');
    return reply.tokensPerSecond;
  }

  private ask(request: PeerRequest): Promise<PeerAnswer> {
    const { child, signal, peer } = this;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        child.off('message', onMessage).off('exit', onExit).off('error', onError);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const refuse = (what: string): void => settle(() => reject(new PeerFailedError(peer.name, what)));
      const onMessage = (reply: PeerAnswer): void => ('error' in reply ? refuse(reply.error) : settle(() => resolve(reply)));
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
      child.on('message', onMessage).on('exit', onExit).on('error', onError);
      signal.addEventListener('abort', onAbort, { once: true });
      child.send(request, (error) => {
        if (error) refuse(error.message);
      });
    });
  }
}
