import { render } from 'preact';
import './style.css';
import { App } from './app.js';
import { begin } from './store.js';

render(<App />, document.getElementById('app')!);
begin();
