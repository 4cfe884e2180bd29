--- The `settings:` of config.yml, as a table. What they mean is between the configuration and its handlers.
-- @module lunastalk.settings
return require("lunastalk.json").decode(require("lunastalk.host").settings) or {}
