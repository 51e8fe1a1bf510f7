import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { AbortedError } from '@gateskip/errors';
import { printable, TemplateError, TemplateRefusalError } from '../errors.js';
import { workerSource } from './worker-source.js';

interface Answer {
  readonly id: number;
  readonly started?: true;
  readonly text?: string;
  readonly error?: string;
}

export interface RenderJob {
  readonly source: string;
  readonly context: string;
  readonly maxOutput: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A thread that cannot even start within this time is not coming. */
const startLimitMs = 20_000;
/** Megabytes that one template may use; a chat of a megabyte needs a few. */
const memoryLimitMb = 64;

let worker: Worker | undefined;
let queue: Promise<unknown> = Promise.resolve();
let nextId = 0;

/** Renders in one shared thread, one job after the other. The thread starts at the first job and never keeps a process alive. */
export function renderInWorker(job: RenderJob): Promise<string> {
  const result = queue.then(() => run(job));
  queue = result.catch(() => undefined);
  return result;
}

function startWorker(): Worker {
  const jinja = createRequire(import.meta.url).resolve('@huggingface/jinja');
  const made = new Worker(workerSource, {
    eval: true,
    env: {},
    execArgv: [],
    stdout: true,
    stderr: true,
    workerData: { jinja },
    resourceLimits: { maxOldGenerationSizeMb: memoryLimitMb, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
  });
  const forget = (): void => {
    if (worker === made) worker = undefined;
  };
  made.on('exit', forget);
  made.on('error', forget);
  made.unref();
  return made;
}

function run({ source, context, maxOutput, timeoutMs, signal }: RenderJob): Promise<string> {
  if (signal?.aborted) return Promise.reject(new AbortedError('Rendering the chat template'));
  worker ??= startWorker();
  const thread = worker;
  const id = nextId++;
  return new Promise((resolve, reject) => {
    let timer = setTimeout(() => stop(new TemplateError('The template thread did not start in time.', 'Try again.')), startLimitMs);
    const done = (settle: () => void): void => {
      clearTimeout(timer);
      thread.off('message', onMessage);
      thread.off('error', onError);
      thread.off('exit', onExit);
      signal?.removeEventListener('abort', onAbort);
      thread.unref();
      settle();
    };
    const stop = (error: Error): void => {
      if (worker === thread) worker = undefined;
      void thread.terminate();
      done(() => reject(error));
    };
    const onMessage = (answer: Answer): void => {
      if (answer.id !== id) return;
      if (answer.started) {
        clearTimeout(timer);
        timer = setTimeout(() => stop(new TemplateError(`The chat template ran longer than ${timeoutMs} ms and was stopped.`)), timeoutMs);
      } else if (answer.text !== undefined) done(() => resolve(answer.text as string));
      else done(() => reject(new TemplateRefusalError(`The chat template failed: ${printable(answer.error ?? 'no reason given')}.`)));
    };
    const onError = (error: Error & { code?: string }): void => {
      const reason =
        error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? `used more than ${memoryLimitMb} MB` : `broke its thread (${printable(error.message)})`;
      stop(new TemplateError(`The chat template ${reason} and was stopped.`));
    };
    const onExit = (): void => stop(new TemplateError('The template thread ended while it rendered.'));
    const onAbort = (): void => stop(new AbortedError('Rendering the chat template'));
    thread.on('message', onMessage);
    thread.on('error', onError);
    thread.on('exit', onExit);
    signal?.addEventListener('abort', onAbort, { once: true });
    thread.ref();
    thread.postMessage({ id, source, context, maxOutput });
  });
}
