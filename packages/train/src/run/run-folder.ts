import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checkpoint, checkpointPieces } from './checkpoint.js';
import { CheckpointInvalidError, RunFolderError } from './errors.js';
import { readCheckpoint } from './read-checkpoint.js';
import { writeWhole } from './write-whole.js';

const KEPT = 2;
const checkpointName = (step: number): string => `checkpoint-${String(step).padStart(9, '0')}.bin`;
const CHECKPOINT = /^checkpoint-(\d{9,15})\.bin$/;
const CONFIG = 'config.json';
const LOG = 'log.jsonl';

/** One line of the log: `kind` and what belongs to it. */
export interface LogLine {
  readonly kind: string;
  readonly step: number;
}

/** The folder of a run: `config.json`, `log.jsonl`, the last two checkpoints, `curve.svg`, `adapter.safetensors`. */
export class RunFolder {
  /** Newest checkpoint that was written or read. */
  lastCheckpoint: string | undefined;

  private constructor(readonly path: string) {}

  /**
   * A new run, or with `resume` one that is there (or has not begun yet).
   *
   * @throws RunFolderError
   */
  static async open(path: string, config: Readonly<Record<string, unknown>>, resume: boolean): Promise<RunFolder> {
    await mkdir(path, { recursive: true });
    const folder = new RunFolder(path);
    const text = await readFile(join(path, CONFIG), 'utf8').catch(() => undefined);
    if (text === undefined) {
      await writeWhole(join(path, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
      return folder;
    }
    if (!resume) throw new RunFolderError(path, 'it holds a run already', 'Go on with it (--resume), or name another folder.');
    let before: Record<string, unknown>;
    try {
      before = JSON.parse(text);
    } catch {
      throw new RunFolderError(path, `its ${CONFIG} is not JSON`, 'Begin in another folder.');
    }
    for (const key of Object.keys(config)) {
      if (JSON.stringify(before[key]) !== JSON.stringify(config[key]))
        throw new RunFolderError(path, `its run has another ${key}`, 'Resume with what the run began with, or begin in another folder.');
    }
    return folder;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** The newest checkpoint that is whole, and undefined where there is none. @throws CheckpointInvalidError where all are damaged */
  async newest(): Promise<{ readonly checkpoint: Checkpoint; readonly path: string } | undefined> {
    const names = await this.#checkpoints();
    let damaged: CheckpointInvalidError | undefined;
    for (const name of names.reverse()) {
      const path = this.file(name);
      try {
        const checkpoint = await readCheckpoint(path);
        this.lastCheckpoint = path;
        return { checkpoint, path };
      } catch (error) {
        if (!(error instanceof CheckpointInvalidError)) throw error;
        damaged = error;
      }
    }
    if (damaged) throw damaged;
    return undefined;
  }

  async writeCheckpoint(step: number, checkpoint: Checkpoint): Promise<void> {
    const path = this.file(checkpointName(step));
    await writeWhole(path, checkpointPieces(checkpoint));
    this.lastCheckpoint = path;
    const names = await this.#checkpoints();
    for (const name of names.slice(0, -KEPT)) await rm(this.file(name), { force: true });
  }

  async write(name: string, data: Uint8Array | string): Promise<void> {
    await writeWhole(this.file(name), data);
  }

  async log(line: LogLine & Readonly<Record<string, unknown>>): Promise<void> {
    await appendFile(this.file(LOG), `${JSON.stringify(line)}\n`);
  }

  /** Forgets what was logged after a step: those steps will be made again. Half a line, left by a kill, is dropped too. */
  async trimLog(step: number): Promise<void> {
    const text = await readFile(this.file(LOG), 'utf8').catch(() => '');
    const kept = text.split('\n').filter((line) => {
      try {
        return (JSON.parse(line) as LogLine).step <= step;
      } catch {
        return false;
      }
    });
    await writeWhole(this.file(LOG), kept.map((line) => `${line}\n`).join(''));
  }

  async #checkpoints(): Promise<string[]> {
    return (await readdir(this.path)).filter((name) => CHECKPOINT.test(name)).sort((a, b) => stepOf(a) - stepOf(b));
  }
}

const stepOf = (name: string): number => Number(CHECKPOINT.exec(name)?.[1]);
