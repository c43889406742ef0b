// Has AsyncAPI's own generator make a Python client: node asyncapi.mjs asyncapi.client.yaml FOLDER
import Generator from "@asyncapi/generator"

const [document, folder] = process.argv.slice(2)
const template = "core-template-client-websocket-python"
await new Generator(template, folder, { forceWrite: true, templateParams: { server: "local" } }).generateFromFile(document)
