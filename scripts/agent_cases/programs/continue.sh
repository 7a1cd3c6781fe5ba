# cn takes its settings file by an absolute path.
exec cn -p "Where is my parcel?" --config "$HOME/continue.yaml"
