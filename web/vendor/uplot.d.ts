// The browser gets the package's own file from this path.
export { default } from 'uplot';
