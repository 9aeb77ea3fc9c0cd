const COMMANDS: &[(&str, &str)] = &[];
const APPLICATIONS: &[(&str, &str)] = &[];
const VARIABLES: &str = "variable = []";
const SECRETS: &str = "secret = []";
