import { render } from 'preact';
import { App } from './app.js';
import { begin } from './store.js';
import './style.css';

render(<App />, document.getElementById('app')!);
begin();
