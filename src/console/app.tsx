/** The whole page. */
export function App() {
  return <h1>Packetflix</h1>;
}
