/** Built packages (`npm run setup`), by name. @param {readonly string[]} names @returns {Promise<any[]>} */
export function loadPackages(names) {
  return Promise.all(names.map((name) => import(`../../packages/${name}/dist/index.js`)));
}
