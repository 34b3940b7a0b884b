[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("ElasticTrain.Actors.Tests")]
