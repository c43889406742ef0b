// What @hey-api/openapi-ts makes of openapi.yaml: types, and a client that checks what it sends and gets.
export default {
  input: "./contracts/openapi.yaml",
  output: { path: "generated", module: { extension: ".js" } },
  plugins: ["@hey-api/typescript", "@hey-api/client-fetch", "zod", { name: "@hey-api/sdk", validator: true }],
}
