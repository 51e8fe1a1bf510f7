import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { publishedModules, workspacePackages } from '../workspace/packages.mjs';

/**
 * @typedef {object} ApiReport
 * @property {string} name the import that it describes
 * @property {string} path where the report is kept, absolute
 * @property {string} display `packages/gate/api/gate.api.md`
 * @property {string} text what it should be now
 */

/** Comments are not judged here; the report is about shapes. @type {import('@microsoft/api-extractor').IExtractorMessagesConfig} */
const messages = {
  compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
  extractorMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
  tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
};

/**
 * The public API of every published module, from the declarations that `turbo run types` left in `dist`.
 *
 * @param {string} root
 * @returns {ApiReport[]}
 */
export function extractApiReports(root) {
  /** @type {ApiReport[]} */
  const reports = [];
  const scratch = join(root, '.cache', 'api');
  rmSync(scratch, { recursive: true, force: true });
  for (const workspacePackage of workspacePackages(root)) {
    if (workspacePackage.manifest.private) continue;
    const { folder, relativeFolder } = workspacePackage;
    for (const { specifier, subpath, types } of publishedModules(workspacePackage)) {
      const entry = join(folder, types);
      if (!existsSync(entry)) throw new Error(`${relativeFolder}/${types.slice(2)} is not built. Run: pnpm build`);
      const fileName = `${subpath === '.' ? basename(folder) : subpath.slice(2).replaceAll('/', '-')}.api.md`;
      const scratchFolder = join(scratch, relativeFolder);
      mkdirSync(scratchFolder, { recursive: true });
      const config = ExtractorConfig.prepare({
        configObjectFullPath: undefined,
        packageJsonFullPath: join(folder, 'package.json'),
        configObject: {
          projectFolder: folder,
          mainEntryPointFilePath: entry,
          newlineKind: 'lf',
          compiler: {
            overrideTsconfig: {
              compilerOptions: {
                target: 'ES2023',
                lib: ['ES2023'],
                module: 'NodeNext',
                moduleResolution: 'NodeNext',
                types: ['node'],
                typeRoots: [join(root, 'node_modules', '@types')],
                strict: true,
                skipLibCheck: true,
              },
              files: [entry],
            },
          },
          apiReport: {
            enabled: true,
            reportFileName: fileName,
            reportFolder: scratchFolder,
            reportTempFolder: join(scratchFolder, 'temp'),
          },
          docModel: { enabled: false },
          dtsRollup: { enabled: false },
          tsdocMetadata: { enabled: false },
          messages,
        },
      });
      const { errorCount } = Extractor.invoke(config, {
        localBuild: true,
        messageCallback: (message) => {
          message.handled = message.logLevel !== 'error';
        },
      });
      if (errorCount > 0) throw new Error(`api-extractor found ${errorCount} errors in ${specifier}.`);
      reports.push({
        name: specifier,
        path: join(folder, 'api', fileName),
        display: `${relativeFolder}/api/${fileName}`,
        text: readFileSync(join(scratchFolder, fileName), 'utf8'),
      });
    }
  }
  return reports;
}
