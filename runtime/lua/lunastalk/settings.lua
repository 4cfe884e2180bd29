--- The `settings:` of config.yml, as a table. What they mean is between the configuration and its handlers.
---@type table
return require("lunastalk.json").decode(require("lunastalk.host").settings) or {}
