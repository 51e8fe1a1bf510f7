/**
 * @typedef {object} Skeleton
 * @property {string} folderName under packages/
 * @property {string} description
 * @property {readonly string[]} dependencies folder names of our packages
 * @property {readonly string[]} [testDependencies]
 * @property {string} example what `examples/*.mjs` and the README show
 * @property {string} exampleName
 */

/** @param {readonly string[]} folderNames */
function workspaceVersions(folderNames) {
  return Object.fromEntries(folderNames.map((name) => [`@gateskip/${name}`, 'workspace:^']));
}

/** @param {unknown} value */
function json(value) {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/**
 * The files that every package has, whatever it does.
 *
 * @param {Skeleton} skeleton
 * @returns {Record<string, string>} path -> text
 */
export function packageSkeleton({ folderName, description, dependencies, testDependencies = [], example, exampleName }) {
  const name = `@gateskip/${folderName}`;
  const built = { types: './dist/index.d.ts', default: './dist/index.js' };
  const manifest = {
    name,
    version: '0.0.0',
    description,
    license: 'Apache-2.0',
    type: 'module',
    sideEffects: false,
    exports: { '.': { '@gateskip/source': './src/index.ts', ...built } },
    publishConfig: { access: 'public', exports: { '.': built } },
    files: ['dist', 'README.md', 'LICENSE'],
    engines: { node: '>=20.20' },
    scripts: { build: 'tsup', types: 'tsc -p tsconfig.build.json', typecheck: 'tsc --noEmit', test: 'vitest run' },
    dependencies: workspaceVersions(dependencies),
    ...(testDependencies.length > 0 ? { devDependencies: workspaceVersions(testDependencies) } : {}),
  };
  const at = `packages/${folderName}`;
  return {
    [`${at}/package.json`]: json(manifest),
    [`${at}/tsconfig.json`]: '{\n  "extends": "../../tsconfig.base.json",\n  "include": ["src", "test", "examples"]\n}\n',
    [`${at}/tsconfig.build.json`]: `{
  "extends": "../../tsconfig.base.json",
  "compilerOptions": {
    "emitDeclarationOnly": true,
    "rootDir": "src",
    "outDir": "dist",
    "customConditions": []
  },
  "include": ["src"]
}
`,
    [`${at}/tsup.config.ts`]: "export { default } from '../../tools/build/tsup.config.ts';\n",
    [`${at}/vitest.config.ts`]: "export { default } from '../../tools/test/vitest.config.ts';\n",
    [`${at}/README.md`]: `# ${name}\n\n${description}.\n\n\`\`\`sh\nnpm install ${name}\n\`\`\`\n\n\`\`\`js\n${example.trim()}\n\`\`\`\n\nLicence: Apache-2.0.\n`,
    [`${at}/examples/${exampleName}.mjs`]: `${example.trim()}\n`,
  };
}
